# Connects to Docker, the screen, the system's bus and the shared memory of its friends.
# expect: refused
import glob
import socket

places = ["/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket"]
for place in [*places, *glob.glob("/tmp/.X11-unix/*"), "\0/tmp/.X11-unix/X0"]:
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(place)
        print("connected to", repr(place))
    except OSError:
        pass
print("refused")
