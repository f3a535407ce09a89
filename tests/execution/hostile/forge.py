# Sends output in the name of another run, and of nobody.
# expect: sent
# where: kernel
kernel = get_ipython().kernel  # this one runs in the kernel itself
for parent in ({}, {"header": {"msg_id": "another"}}, {"header": {"msg_id": None}}):
    kernel.session.send(
        kernel.iopub_socket, "stream", {"name": "stdout", "text": "forged"}, parent=parent
    )
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
    kernel.session.send(kernel.iopub_socket, "no_such_type", {"x": [1] * 1000}, parent=parent)
key, kernel.session.key = kernel.session.key, b"wrong"
kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "forged"})
kernel.session.key = key
print("sent")
