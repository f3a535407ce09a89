/** Languages in words. */
import type { ILanguage } from './types';

/** Why a language cannot be run, in words; empty when it can. */
export function unavailableWords(language: ILanguage): string {
  return language.available ? '' : (language.missing ?? 'not installed on this server');
}
