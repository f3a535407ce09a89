/** The lobby's page: says what is waited for, and goes in when it is time. */
import type { ILobbyConfig, ILobbyNews } from '../types';
import { waitingWords } from './words';
import './lobby.css';

const RETRY_MS = 2000;
const TICK_MS = 1000;

const element = document.getElementById('codepad-config');
const config = JSON.parse(element?.textContent ?? '{}') as ILobbyConfig;
const clockOffset = Date.parse(config.now) - Date.now();

let state: ILobbyNews['state'] = config.state;
let opensAt = config.opensAt;
let words = '';
let over = false;

function make(tag: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

const card = make('main', 'card');
card.dataset['testid'] = 'lobby-page';
const product = make('p', 'product');
const icon = document.createElement('img');
icon.src = `${config.baseUrl}static/icon.svg`;
icon.alt = '';
icon.width = icon.height = 20;
product.append(icon, ' Codepad');
const status = make('p', 'lead lobby-status');
status.setAttribute('role', 'status');
const countdown = make('p', 'lobby-countdown');
countdown.setAttribute('aria-live', 'off');
const pulse = make('span', 'lobby-pulse');
pulse.setAttribute('aria-hidden', 'true');
card.append(product, make('h1', '', config.title), status, countdown, pulse);
document.getElementById('codepad-root')?.replaceChildren(card);

function draw(): void {
  const said = waitingWords(state, words, config.name, opensAt, Date.now() + clockOffset);
  card.dataset['state'] = state;
  pulse.hidden = over;
  // A status that is written anew is read aloud anew: only when it is another one.
  if (status.textContent !== said.status) {
    status.textContent = said.status;
  }
  countdown.textContent = said.countdown;
}

function listen(): void {
  const url = new URL(`${config.baseUrl}rooms/${config.roomId}/lobby`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url);
  socket.onmessage = event => {
    const news = JSON.parse(String(event.data)) as ILobbyNews;
    state = news.state;
    words = news.words;
    opensAt = news.opens_at;
    over = state === 'denied' || state === 'gone';
    if (state === 'in') {
      location.reload();
    }
    draw();
  };
  socket.onclose = () => {
    if (!over && state !== 'in') {
      setTimeout(listen, RETRY_MS * (0.5 + Math.random()));
    }
  };
}

draw();
setInterval(draw, TICK_MS);
listen();
