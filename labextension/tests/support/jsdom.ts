/** What browsers have and jsdom has not: constructed style sheets, and a layout. */
document.adoptedStyleSheets = [];
Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
Range.prototype.getBoundingClientRect = () => new DOMRect();
