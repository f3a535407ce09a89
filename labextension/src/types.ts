/** The shapes on the wire: the same names as the server's models. */

export type Role = 'host' | 'member' | 'observer';
export type Permission = 'view' | 'edit' | 'run' | 'invite' | 'manage';
export type RoomState = 'open' | 'closed' | 'expired';
export type PadType = 'file' | 'notebook';

export interface IParticipant {
  id: string;
  name: string;
  color: string;
  role: Role;
  guest: boolean;
  online: boolean;
  joined_at: string;
  you: boolean;
}

export interface IRoom {
  id: string;
  title: string;
  language: string;
  pad_type: PadType;
  /** Path below the Jupyter root; null for guests. */
  pad_path: string | null;
  state: RoomState;
  created_at: string;
  expires_at: string;
  online: number;
  me: IParticipant | null;
  permissions: Permission[];
}

export interface IInvite {
  id: string;
  role: Role;
  label: string;
  created_at: string;
  expires_at: string | null;
  max_uses: number | null;
  uses: number;
  revoked: boolean;
  /** Only in the answer to its creation. */
  code: string | null;
  /** Only in the answer to its creation: path of the join page. */
  url: string | null;
}

export interface ILanguage {
  id: string;
  name: string;
  file_name: string;
  editor_mode: string;
  available: boolean;
  notebook: boolean;
  starter_text: string;
}

export interface ISandbox {
  available: boolean;
  name: string;
  reason: string | null;
  running_allowed: boolean;
}

export interface IHealth {
  status: string;
  version: string | null;
  sandbox: ISandbox | null;
}

export type RunStatus = 'queued' | 'running' | 'ok' | 'error' | 'interrupted' | 'dead';

export interface IRun {
  id: string;
  document: string;
  cell_id: string | null;
  participant_id: string;
  participant_name: string;
  status: RunStatus;
  queued_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  execution_count: number | null;
  message: string;
}

/** What the server puts into the room page. */
export interface IPageConfig {
  baseUrl: string;
  roomId: string;
  xsrfToken: string;
  cspNonce: string;
  room: IRoom;
  limits: { message_bytes: number; document_bytes: number };
  sandbox: ISandbox;
  version: string;
}

/** Who somebody is, in awareness: written by the server, in JupyterLab's shape. */
export interface IAwarenessUser {
  name: string;
  display_name: string;
  color: string;
  participant_id?: string;
  role?: Role;
  guest?: boolean;
}
