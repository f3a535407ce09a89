/** The entry of the room page: connects first, draws next. */
import { createRoot } from 'react-dom/client';
import { Provider, documentUrl } from '../sync/provider';
import type { IPageConfig } from '../types';
import { PageModel } from './model';
import { Page } from './page';
import '../../style/base.css';
import './page.css';

const element = document.getElementById('codepad-config');
const config = JSON.parse(element?.textContent ?? '{}') as IPageConfig;

const pad = new Provider({
  url: documentUrl(config.baseUrl, config.roomId, 'pad'),
  news: true,
  limitBytes: config.limits.message_bytes
});
const runs = new Provider({ url: documentUrl(config.baseUrl, config.roomId, 'runs'), mirror: true });
const model = new PageModel(config, pad, runs);

createRoot(document.getElementById('codepad-root') as HTMLElement).render(<Page model={model} />);
