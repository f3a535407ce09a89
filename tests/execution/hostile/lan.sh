# Looks for machines in the local network.
# expect: refused
for host in 10.0.0.1 192.168.0.1 172.17.0.1; do
  timeout 1 bash -c "exec 3<>/dev/tcp/$host/80" 2>/dev/null && echo succeeded
done
echo refused
