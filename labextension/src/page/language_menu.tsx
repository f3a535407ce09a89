/** The room's language in the top bar: shown to everybody, changed by those who may edit. */
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { unavailableWords } from '../languages';
import { Modal, usePopover } from '../popover';
import { useSignal } from '../react';
import type { ILanguage } from '../types';
import type { PageModel } from './model';

const TYPE_AHEAD_MS = 700;

export function LanguageMenu(props: { model: PageModel }): JSX.Element {
  const { model } = props;
  const { languages, room } = model;
  useSignal(languages.changed);
  const menu = usePopover();
  const [wanted, setWanted] = useState<ILanguage | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useId();
  const name = languages.nameOf(room.language);
  const notebook = room.pad_type === 'notebook';
  const offered = languages.offered(room.pad_type);
  // Most servers have one kernel for notebooks: there is nothing to choose then.
  if (!model.may('edit') || (notebook && (offered?.length ?? 0) < 2)) {
    return (
      <span className="cp-tag cp-language" data-testid="language" title="The room’s language">
        {name}
      </span>
    );
  }
  const close = (): void => {
    menu.setOpen(false);
    button.current?.focus();
  };
  const choose = (language: ILanguage): void => {
    close();
    if (language.id === room.language) {
      return;
    }
    if (languages.isOwnText(model.padText(), room)) {
      setWanted(language);
    } else {
      void languages.change(language.id, !notebook);
    }
  };
  return (
    <div className="cp-popover-anchor cp-language" ref={menu.box}>
      <button
        ref={button}
        className="cp-button"
        data-testid="language-menu"
        aria-label={`Language: ${name}`}
        title="Change the language"
        aria-haspopup="listbox"
        aria-expanded={menu.open}
        aria-controls={menu.open ? list : undefined}
        disabled={languages.changing}
        onClick={() => {
          void languages.load();
          menu.setOpen(!menu.open);
        }}
      >
        <span className="cp-language-name" data-testid="language">
          {name}
        </span>
        <span className="cp-arrow" aria-hidden="true" />
      </button>
      {menu.open && (
        <div className="cp-popover cp-language-list">
          {offered ? (
            <LanguageList id={list} languages={offered} current={room.language} onChoose={choose} onLeave={close} />
          ) : (
            <p className="cp-empty" role="status">
              Loading…
            </p>
          )}
        </div>
      )}
      {wanted && <Confirm wanted={wanted} name={name} notebook={notebook} onClose={() => setWanted(null)} onChoose={starter => void languages.change(wanted.id, starter)} />}
    </div>
  );
}

/** A list of languages: arrows, Home, End, the first letters of a name, Enter. */
export function LanguageList(props: {
  id: string;
  languages: ILanguage[];
  current: string;
  onChoose: (language: ILanguage) => void;
  onLeave: () => void;
}): JSX.Element {
  const { languages, current, id } = props;
  const [active, setActive] = useState(Math.max(0, languages.findIndex(one => one.id === current)));
  const box = useRef<HTMLUListElement>(null);
  const typed = useRef({ text: '', at: 0 });
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    box.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  const choose = (language: ILanguage | undefined): void => {
    if (language?.available) {
      props.onChoose(language);
    }
  };
  const lookFor = (letter: string): void => {
    const now = performance.now();
    const text = now - typed.current.at < TYPE_AHEAD_MS ? typed.current.text + letter : letter;
    typed.current = { text, at: now };
    const found = languages.findIndex(one => one.name.toLowerCase().startsWith(text));
    if (found >= 0) {
      setActive(found);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const last = languages.length - 1;
    const moves: Record<string, number> = { ArrowDown: Math.min(last, active + 1), ArrowUp: Math.max(0, active - 1), Home: 0, End: last };
    const next = moves[event.key];
    if (next !== undefined) {
      setActive(next);
    } else if (event.key === 'Enter' || event.key === ' ') {
      choose(languages[active]);
    } else if (event.key === 'Tab') {
      props.onLeave();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      lookFor(event.key.toLowerCase());
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <ul ref={box} id={id} className="cp-listbox" role="listbox" tabIndex={0} aria-label="Languages" aria-activedescendant={`${id}-${active}`} onKeyDown={onKeyDown}>
      {languages.map((language, i) => (
        <li
          key={language.id}
          id={`${id}-${i}`}
          role="option"
          className="cp-option"
          data-testid={`language-${language.id}`}
          data-active={i === active}
          aria-selected={language.id === current}
          aria-disabled={!language.available}
          onPointerMove={() => setActive(i)}
          onClick={() => choose(language)}
        >
          <span>{language.name}</span>
          {!language.available && <span className="cp-option-why">{unavailableWords(language)}</span>}
        </li>
      ))}
    </ul>
  );
}

function Confirm(props: { wanted: ILanguage; name: string; notebook: boolean; onClose: () => void; onChoose: (starter: boolean) => void }): JSX.Element {
  const { wanted, notebook } = props;
  const choose = (starter: boolean) => () => {
    props.onClose();
    props.onChoose(starter);
  };
  return (
    <Modal title={`Change from ${props.name} to ${wanted.name}`} testid="language-dialog" onClose={props.onClose}>
      <p className="cp-tight">
        {notebook
          ? 'The cells keep their text and their output. The language changes for everybody in the room, and the kernel starts afresh: all variables are forgotten.'
          : 'The language changes for everybody in the room, and the program starts afresh. The pad’s text can stay as it is, or make place for a beginning.'}
      </p>
      <div className="cp-form-row cp-dialog-choices">
        <button className="cp-button cp-primary" data-testid="language-keep" onClick={choose(false)}>
          {notebook ? `Change to ${wanted.name}` : 'Keep the text'}
        </button>
        {!notebook && (
          <button className="cp-button" data-testid="language-starter" onClick={choose(true)}>
            {`Replace it by the starter of ${wanted.name}`}
          </button>
        )}
        <button className="cp-button" data-testid="language-cancel" onClick={props.onClose}>
          Cancel
        </button>
      </div>
    </Modal>
  );
}
