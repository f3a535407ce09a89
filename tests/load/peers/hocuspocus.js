// Hocuspocus with nothing but its defaults: documents in memory, everybody may come in.
import { Server } from '@hocuspocus/server';

await Server.configure({ port: Number(process.env.PORT), address: '127.0.0.1', quiet: true }).listen();
console.log('listening');
