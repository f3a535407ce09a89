// Writes as much as it can as fast as it can.
// expect: over
const line = 'x'.repeat(65536) + '\n';
for (let i = 0; i < 300; i++) require('fs').writeSync(1, line);
console.log('over');
