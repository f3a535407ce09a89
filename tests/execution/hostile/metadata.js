// Asks a cloud's metadata service for the machine's keys.
// expect: refused E
const socket = require('net').connect(80, '169.254.169.254');
socket.setTimeout(1000, () => { console.log('timeout'); process.exit(); });
socket.on('connect', () => { console.log('succeeded'); process.exit(); });
socket.on('error', error => console.log('refused', error.code));
