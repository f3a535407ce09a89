/** HTML from code that anybody may have written, made harmless. */
import createDOMPurify from 'dompurify';

const TAGS = [
  'a', 'abbr', 'b', 'blockquote', 'br', 'caption', 'code', 'col', 'colgroup', 'dd', 'del', 'details',
  'div', 'dl', 'dt', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'img', 'ins', 'kbd', 'li',
  'ol', 'p', 'pre', 's', 'samp', 'small', 'span', 'strong', 'sub', 'summary', 'sup', 'table', 'tbody',
  'td', 'tfoot', 'th', 'thead', 'tr', 'u', 'ul', 'var'
];
const ATTRIBUTES = ['align', 'alt', 'colspan', 'halign', 'height', 'href', 'rowspan', 'scope', 'span', 'src', 'title', 'valign', 'width'];
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]+$/i;
const LINK = /^https?:\/\//i;

let purify: ReturnType<typeof createDOMPurify> | undefined;

function sanitizer(): ReturnType<typeof createDOMPurify> {
  if (!purify) {
    purify = createDOMPurify(window);
    purify.addHook('afterSanitizeAttributes', node => {
      if (node.nodeName === 'TH' && !node.textContent?.trim()) {
        node.setAttribute('aria-hidden', 'true'); // the corner of a data frame says nothing
      }
      const source = node.getAttribute('src');
      if (source !== null && !IMAGE.test(source)) {
        node.removeAttribute('src'); // a remote image tells its server who looks at it
      }
      const target = node.getAttribute('href');
      if (target !== null) {
        if (LINK.test(target)) {
          node.setAttribute('target', '_blank');
          node.setAttribute('rel', 'noopener noreferrer nofollow');
        } else {
          node.removeAttribute('href');
        }
      }
    });
  }
  return purify;
}

/** Tables and text stay; scripts, styles, forms, frames and everything remote go. */
export function sanitizeHtml(html: string): string {
  // Taken out before parsing only because the page's policy would complain about each of them.
  const unstyled = html.replace(/<style\b[\s\S]*?<\/style>/gi, '').replace(/\sstyle="[^"]*"/gi, '');
  return sanitizer().sanitize(unstyled, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false
  });
}

/** Whether anything is left to be seen of HTML when it has been made harmless. */
export function hasText(html: string): boolean {
  const inner = new DOMParser().parseFromString(sanitizeHtml(html), 'text/html').body;
  return Boolean(inner.textContent?.trim() || inner.querySelector('img[src], table, hr'));
}
