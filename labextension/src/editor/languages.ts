/** How the editor treats a language: grammar, line comment, brackets, indentation. */
import { closeBrackets } from '@codemirror/autocomplete';
import { python } from '@codemirror/lang-python';
import { indentUnit, type LanguageSupport, StreamLanguage, type StreamParser } from '@codemirror/language';
import { EditorState, type Extension, Prec } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

export interface IEditorLanguage {
  /** The grammar, as the server calls it; one that is not known is plain text. */
  mode: string;
  /** What begins a line comment; empty where there is none. */
  comment: string;
  /** How many spaces one step of indentation is, or a tab. */
  indent: number | 'tab';
}

const stream = (load: Promise<StreamParser<unknown>>): Promise<Extension> => load.then(parser => StreamLanguage.define(parser));

/** Grammars other than Python's, each loaded when it is first needed. */
const GRAMMARS: Record<string, () => Promise<LanguageSupport | Extension>> = {
  javascript: () => import('@codemirror/lang-javascript').then(m => m.javascript({ jsx: true })),
  typescript: () => import('@codemirror/lang-javascript').then(m => m.javascript({ typescript: true })),
  c: () => import('@codemirror/lang-cpp').then(m => m.cpp()),
  cpp: () => import('@codemirror/lang-cpp').then(m => m.cpp()),
  java: () => import('@codemirror/lang-java').then(m => m.java()),
  rust: () => import('@codemirror/lang-rust').then(m => m.rust()),
  go: () => import('@codemirror/lang-go').then(m => m.go()),
  php: () => import('@codemirror/lang-php').then(m => m.php()),
  sql: () => import('@codemirror/lang-sql').then(m => m.sql({ dialect: m.SQLite })),
  ruby: () => stream(import('@codemirror/legacy-modes/mode/ruby').then(m => m.ruby)),
  perl: () => stream(import('@codemirror/legacy-modes/mode/perl').then(m => m.perl)),
  lua: () => stream(import('@codemirror/legacy-modes/mode/lua').then(m => m.lua)),
  shell: () => stream(import('@codemirror/legacy-modes/mode/shell').then(m => m.shell)),
  r: () => stream(import('@codemirror/legacy-modes/mode/r').then(m => m.r)),
  csharp: () => stream(import('@codemirror/legacy-modes/mode/clike').then(m => m.csharp)),
  tcl: () => stream(import('@codemirror/legacy-modes/mode/tcl').then(m => m.tcl)),
  pascal: () => stream(import('@codemirror/legacy-modes/mode/pascal').then(m => m.pascal))
};

/** Other names of the same grammars. */
const ALIASES: Record<string, string> = {
  js: 'javascript',
  node: 'javascript',
  deno: 'typescript',
  ts: 'typescript',
  'c++': 'cpp',
  'c#': 'csharp',
  cs: 'csharp',
  golang: 'go',
  bash: 'shell',
  sh: 'shell',
  sqlite: 'sql',
  python3: 'python',
  ipython: 'python'
};

const SLASHES = ['javascript', 'typescript', 'c', 'cpp', 'java', 'rust', 'go', 'php', 'csharp', 'pascal'];
const DASHES = ['sql', 'lua'];
const TWO_SPACES = ['javascript', 'typescript', 'ruby', 'lua', 'r', 'shell', 'sql', 'pascal'];

function grammarOf(mode: string): string {
  return ALIASES[mode] ?? mode;
}

/** What is usual in a language; what the server says of it comes first. */
export function usual(mode: string): IEditorLanguage {
  const grammar = grammarOf(mode);
  if (grammar === 'markdown') {
    return { mode, comment: '', indent: 2 };
  }
  const comment = SLASHES.includes(grammar) ? '//' : DASHES.includes(grammar) ? '--' : '#';
  return { mode, comment, indent: grammar === 'go' ? 'tab' : TWO_SPACES.includes(grammar) ? 2 : 4 };
}

const brackets = (mode: string): string[] => {
  const plain = ['(', '[', '{', '"'];
  const grammar = grammarOf(mode);
  if (grammar === 'python') {
    return [...plain, "'", "'''", '"""'];
  }
  // In these a single quote stands alone: a lifetime, a transposition, a literal of one sign.
  const quotes = ['rust', 'markdown'].includes(grammar) ? [] : ["'"];
  return ['javascript', 'typescript', 'go', 'shell', 'php', 'perl', 'ruby', 'markdown'].includes(grammar)
    ? [...plain, ...quotes, '`']
    : [...plain, ...quotes];
};

/** All but the grammar, which has to be loaded. */
export function manners(language: IEditorLanguage): Extension {
  const { comment, indent, mode } = language;
  const data = {
    ...(comment ? { commentTokens: { line: comment } } : {}),
    closeBrackets: { brackets: brackets(mode) }
  };
  return [
    // Before what a grammar says of itself.
    Prec.highest(EditorState.languageData.of(() => [data])),
    indentUnit.of(indent === 'tab' ? '\t' : ' '.repeat(Math.min(8, Math.max(1, indent)))),
    EditorState.tabSize.of(4),
    closeBrackets(),
    mode === 'markdown' ? EditorView.lineWrapping : []
  ];
}

const loaded = new Map<string, Extension>([['python', python()]]);

/** The grammar of a mode if it is here already; empty for one that does not exist. */
export function grammarHere(mode: string): Extension | null {
  const grammar = grammarOf(mode);
  return GRAMMARS[grammar] ? (loaded.get(grammar) ?? null) : (loaded.get(grammar) ?? []);
}

/** The grammar of a mode. Without it the text is plain: also where it cannot be loaded. */
export async function loadGrammar(mode: string): Promise<Extension> {
  const grammar = grammarOf(mode);
  try {
    const extension = loaded.get(grammar) ?? (await GRAMMARS[grammar]?.()) ?? [];
    loaded.set(grammar, extension);
    return extension;
  } catch {
    return []; // the connection is lost, or the server has been upgraded: asked for again the next time
  }
}
