/**
 * A stock y-websocket client as a process: joins a document, types a word, prints what it sees.
 *
 * node stock-client.mjs <server url> <room name> <cookie> <word to type> <word to wait for>
 */
/* eslint-disable no-console -- what it prints is what the test reads */
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

const [server, name, cookie, say, expect] = process.argv.slice(2);

class WithCookie extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: { Cookie: cookie } });
  }
}

const doc = new Y.Doc();
const text = doc.getText('source');
const provider = new WebsocketProvider(server, name, doc, {
  WebSocketPolyfill: WithCookie,
  disableBc: true
});
const giveUp = setTimeout(() => {
  console.error(`gave up: ${JSON.stringify(text.toString())}`);
  process.exit(1);
}, 15_000);

provider.once('sync', () => text.insert(text.length, `${say}\n`));
text.observe(() => {
  if (text.toString().includes(expect) && text.toString().includes(say)) {
    clearTimeout(giveUp);
    setTimeout(() => {
      console.log(text.toString());
      provider.destroy();
      process.exit(0);
    }, 200);
  }
});
