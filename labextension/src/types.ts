/** The shapes on the wire: the same names as the server's models. */

export type Role = 'host' | 'interviewer' | 'member' | 'candidate' | 'observer';
export type Permission =
  | 'view'
  | 'edit'
  | 'run'
  | 'submit'
  | 'ask'
  | 'chat'
  | 'grade'
  | 'invite'
  | 'manage';
/** `prepared`: not open yet; only the host and interviewers are in. */
export type RoomState = 'prepared' | 'open' | 'closed' | 'expired';
/** By role, the permissions that the room has switched off. */
export type Restrictions = Partial<Record<Role, Permission[]>>;
export type PadType = 'file' | 'notebook';

export interface IParticipant {
  id: string;
  name: string;
  color: string;
  role: Role;
  guest: boolean;
  owner: boolean;
  online: boolean;
  online_since: string | null;
  idle: boolean;
  /** What they look at. */
  document: string | null;
  hand_raised_at: string | null;
  joined_at: string;
  you: boolean;
  /** Only for those who may manage. */
  username: string | null;
  /** Only for those who may invite. */
  invite_id: string | null;
}

/** Somebody in the lobby. */
export interface IWaiting {
  id: string;
  name: string;
  color: string;
  role: Role;
  guest: boolean;
  online: boolean;
  joined_at: string;
}

export interface IRoom {
  id: string;
  title: string;
  language: string;
  pad_type: PadType;
  /** Path below the Jupyter root; null for guests. */
  pad_path: string | null;
  /** The file that is run, by its path in the room's folder; null: the pad's. */
  main_file: string | null;
  state: RoomState;
  created_at: string;
  expires_at: string;
  opens_at: string | null;
  /** The server's clock. */
  now: string;
  locked: boolean;
  lobby: boolean;
  restrictions: Restrictions;
  /** Whether the room is yours. */
  owner: boolean;
  online: number;
  /** People in the lobby; 0 for those who may not invite. */
  waiting: number;
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
  main: boolean;
  has_password: boolean;
  /** Null: as the room says. */
  lobby: boolean | null;
  /** While it works. */
  code: string | null;
  /** While it works: path of the join page. */
  url: string | null;
}

/** One entry of the activity log. */
export interface IActivity {
  id: number;
  at: string;
  kind: string;
  actor: string | null;
  subject: string | null;
  detail: Record<string, unknown>;
}

export interface ILanguage {
  id: string;
  name: string;
  file_name: string;
  editor_mode: string;
  available: boolean;
  notebook: boolean;
  starter_text: string;
  /** What begins a line comment. */
  comment?: string;
  /** How many spaces one step of indentation is, or a tab. */
  indent?: number | 'tab';
  /** What is on this server; only for Jupyter users. */
  version?: string | null;
  /** What to install, in words, where it is not available; only for Jupyter users. */
  missing?: string | null;
}

export interface ISandbox {
  available: boolean;
  name: string;
  reason: string | null;
  running_allowed: boolean;
  /** Better sandboxes that do not work here, and why. */
  weaker?: { name: string; reason: string }[];
  promises?: string[];
  gaps?: string[];
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
  sandbox: Pick<ISandbox, 'running_allowed' | 'reason'>;
  version: string;
}

/** What the server puts into the lobby's page. */
export interface ILobbyConfig {
  baseUrl: string;
  roomId: string;
  title: string;
  name: string;
  xsrfToken: string;
  state: 'waiting' | 'prepared';
  opensAt: string | null;
  now: string;
}

/** What the lobby's socket says. */
export interface ILobbyNews {
  state: 'waiting' | 'prepared' | 'in' | 'denied' | 'gone';
  words: string;
  opens_at: string | null;
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
