/** The lobby's page: says what is waited for, and goes in when it is time. */
import type { ILobbyConfig, ILobbyNews } from '../types';
import { isLast, listen } from './line';
import { waitingWords } from './words';
import './lobby.css';

const TICK_MS = 1000;

const element = document.getElementById('codepad-config');
const config = JSON.parse(element?.textContent ?? '{}') as ILobbyConfig;
const clockOffset = Date.parse(config.now) - Date.now();

let state: ILobbyNews['state'] = config.state;
let opensAt = config.opensAt;
let words = '';
let offline = false;

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
const line = make('p', 'hint');
line.setAttribute('role', 'status');
line.dataset['testid'] = 'lobby-offline';
card.append(product, make('h1', '', config.title), status, countdown, line, pulse);
document.getElementById('codepad-root')?.replaceChildren(card);

function draw(): void {
  const said = waitingWords(state, words, config.name, opensAt, Date.now() + clockOffset);
  card.dataset['state'] = state;
  pulse.hidden = isLast(state) || offline;
  // A status that is written anew is read aloud anew: only when it is another one.
  if (status.textContent !== said.status) {
    status.textContent = said.status;
  }
  countdown.textContent = said.countdown;
  if (offline !== (line.textContent !== '')) {
    line.textContent = offline ? 'The connection is lost; it is tried again by itself.' : '';
  }
}

function socketUrl(): string {
  const url = new URL(`${config.baseUrl}rooms/${config.roomId}/lobby`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

draw();
setInterval(draw, TICK_MS);
listen(
  socketUrl(),
  news => {
    state = news.state;
    words = news.words;
    opensAt = news.opens_at;
    draw();
    if (state === 'in') {
      location.reload();
    }
  },
  down => {
    offline = down;
    draw();
  }
);
