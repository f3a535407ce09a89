/** The invite code by which this browser came: kept here, never sent on its own. */

const KEY = 'codepad-invite:';
const CODE = /^[\w-]{1,64}$/;

/** Take the code out of the address (`#invite=…`) and remember it for this room. */
export function takeInvite(roomId: string): void {
  const code = new URLSearchParams(location.hash.slice(1)).get('invite');
  if (code && CODE.test(code)) {
    try {
      localStorage.setItem(KEY + roomId, code);
    } catch {
      return; // storage is off: the address keeps the code
    }
    history.replaceState(null, '', location.pathname + location.search);
  }
}

export function readInvite(roomId: string): string | null {
  try {
    return localStorage.getItem(KEY + roomId);
  } catch {
    return new URLSearchParams(location.hash.slice(1)).get('invite');
  }
}
