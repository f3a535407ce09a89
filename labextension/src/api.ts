/** The one way to the server's REST routes, for the room page and for JupyterLab. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string
  ) {
    super(message);
  }
}

/** Sends one request below `codepad/`; JupyterLab and the page bring their own. */
export type Transport = (path: string, init: RequestInit) => Promise<Response>;

/** The room page's transport: same origin, the page's XSRF token. */
export function pageTransport(baseUrl: string, xsrfToken: string): Transport {
  return (path, init) => {
    const headers = new Headers(init.headers);
    headers.set('X-XSRFToken', xsrfToken);
    return fetch(baseUrl + path, { ...init, headers, credentials: 'same-origin' });
  };
}

export class Api {
  constructor(private readonly _transport: Transport) {}

  /**
   * Call `codepad/api/<path>`.
   *
   * Rejects with `ApiError`: the server's words, or ours when it cannot be reached.
   */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await this._transport(`api/${path}`, init);
    } catch {
      throw new ApiError(0, 'offline', 'The server cannot be reached. Please try again.');
    }
    const text = await response.text();
    const data: unknown = text ? parse(text) : undefined;
    if (!response.ok) {
      const problem = (data ?? {}) as { code?: string; message?: string };
      throw new ApiError(
        response.status,
        problem.code ?? 'error',
        problem.message ?? 'Something went wrong on the server.'
      );
    }
    return data as T;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The words of an error for people. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
