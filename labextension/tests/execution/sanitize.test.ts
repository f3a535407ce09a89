import { describe, expect, it } from 'vitest';
import { sanitizeHtml } from '../../src/execution/sanitize';

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function clean(html: string): HTMLElement {
  const box = document.createElement('div');
  box.innerHTML = sanitizeHtml(html);
  return box;
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)><script>alert(1)</script></svg>',
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<object data="javascript:alert(1)"></object><embed src="javascript:alert(1)">',
  '<a href="javascript:alert(1)">x</a>',
  '<a href="java&#10;script:alert(1)">x</a>',
  '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  '<a href="/logout">x</a>',
  '<form action="https://evil.test"><input name=password><button>Sign in</button></form>',
  '<meta http-equiv="refresh" content="0;url=https://evil.test">',
  '<base href="https://evil.test/">',
  '<link rel=stylesheet href="https://evil.test/x.css">',
  '<style>@import "https://evil.test/x.css"; body { display: none }</style>',
  '<div style="position:fixed;inset:0;background:url(https://evil.test/x)">x</div>',
  '<img src="https://evil.test/pixel.png">',
  '<img srcset="https://evil.test/pixel.png 1x" src="//evil.test/x">',
  '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
  '<picture><source srcset="https://evil.test/x"><img></picture>',
  '<video src="https://evil.test/x" poster="https://evil.test/y"></video><audio src="https://evil.test/x"></audio>',
  '<table background="https://evil.test/x"><tr><td background="https://evil.test/y">1</td></tr></table>',
  '<div id="codepad-root" class="cp-toast" name="location" data-testid="run" role="alert" tabindex=1>x</div>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
  '<template><img src=x onerror=alert(1)></template>',
  '<dialog open>x</dialog><marquee onstart=alert(1)>x</marquee>',
  '<button formaction="javascript:alert(1)">x</button>',
  '<details open ontoggle=alert(1)><summary>x</summary></details>'
];

const FORBIDDEN_TAGS =
  'script,style,link,meta,base,iframe,object,embed,form,input,button,textarea,select,svg,math,video,audio,source,template,noscript,dialog,marquee';
const ALLOWED_ATTRIBUTES = new Set(
  'align alt colspan halign height href rel rowspan scope span src target title valign width'.split(' ')
);

describe('hostile HTML', () => {
  it.each(HOSTILE)('%s is made harmless', html => {
    const box = clean(html);
    expect(box.querySelectorAll(FORBIDDEN_TAGS)).toHaveLength(0);
    for (const element of box.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(ALLOWED_ATTRIBUTES).toContain(name);
        expect(value).not.toContain('evil.test');
        expect(value.replace(/\s/g, '')).not.toMatch(/javascript:|data:text/i);
      }
    }
    for (const link of box.querySelectorAll('a[href]')) {
      expect(link.getAttribute('href')).toMatch(/^https?:/);
    }
  });
});

describe('what is meant well', () => {
  it('stays: the table of a data frame', () => {
    const box = clean(
      '<div><style scoped>td { color: red }</style><table border="1" class="dataframe"><thead><tr><th></th><th>a</th></tr></thead>' +
        '<tbody><tr><th>0</th><td colspan="2">1</td></tr></tbody></table><p>1 row × 1 column</p></div>'
    );
    expect(box.querySelectorAll('td')).toHaveLength(1);
    expect(box.querySelector('td')?.getAttribute('colspan')).toBe('2');
    expect(box.textContent).toBe('a011 row × 1 column');
    expect(box.querySelector('th')?.getAttribute('aria-hidden')).toBe('true');
  });

  it('stays: an image in the text', () => {
    expect(clean(`<img src="${PIXEL}" alt="dot">`).querySelector('img')?.getAttribute('src')).toBe(PIXEL);
  });

  it('stays: a link, which opens elsewhere and tells nothing', () => {
    const link = clean('<a href="https://jupyter.org" target="_self" rel="opener">x</a>').querySelector('a');
    expect(link?.getAttribute('href')).toBe('https://jupyter.org');
    expect(link?.getAttribute('target')).toBe('_blank');
    expect(link?.getAttribute('rel')).toBe('noopener noreferrer nofollow');
  });
});
