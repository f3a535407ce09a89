/** Keeps a pad from growing past what the server takes, without losing anything. */
import { EditorState, type Extension, type Transaction } from '@codemirror/state';
import { ySyncAnnotation } from 'y-codemirror.next';

const encoder = new TextEncoder();

/** Length of a text in bytes of UTF-8. */
export function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** A size as people read it. */
export function sizeWords(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/**
 * Refuses a change that would make the document larger than `limit` bytes.
 *
 * What others type (changes that come from the shared document) always passes. `refused` gets words
 * for the person.
 */
export function sizeLimit(limit: number, refused: (words: string) => void): Extension {
  return EditorState.changeFilter.of((transaction: Transaction) => {
    if (!transaction.docChanged || transaction.annotation(ySyncAnnotation)) {
      return true;
    }
    let added = 0;
    transaction.changes.iterChanges((_fa, _ta, _fb, _tb, inserted) => {
      added += bytesOf(inserted.toString());
    });
    // A UTF-16 unit is at most three bytes of UTF-8: only near the limit it is counted exactly.
    if (added === 0 || transaction.newDoc.length * 3 <= limit) {
      return true;
    }
    const size = bytesOf(transaction.newDoc.toString());
    if (size <= limit || size <= bytesOf(transaction.startState.doc.toString())) {
      return true; // also where a text that is too large already becomes smaller
    }
    refused(
      `That is ${sizeWords(added)}; this pad holds at most ${sizeWords(limit)}. Nothing was inserted.`
    );
    return false;
  });
}

