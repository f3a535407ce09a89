/** JupyterLab's way to the server: its settings know base URL, token and XSRF. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { Api } from '../api';
import { documentUrl, Provider } from '../sync/provider';

export function codepadUrl(settings: ServerConnection.ISettings): string {
  return URLExt.join(settings.baseUrl, 'codepad/');
}

export function labApi(settings: ServerConnection.ISettings): Api {
  return new Api((path, init) =>
    ServerConnection.makeRequest(codepadUrl(settings) + path, init, settings)
  );
}

export function labProvider(
  settings: ServerConnection.ISettings,
  roomId: string,
  name: string
): Provider {
  const query = settings.appendToken && settings.token ? { token: settings.token } : undefined;
  const url = documentUrl(codepadUrl(settings), roomId, name);
  return new Provider({ url, news: true, mirror: name === 'runs', query });
}
