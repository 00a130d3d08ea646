// A dialog that covers the page. While it is open, what it covers can't get the focus; when it closes, the focus goes back.

const pages = [];

// `covers` selects what lies under the dialog. `home` returns what gets the focus if the element that had it is gone or hidden.
export function fullPage(panel, covers, home) {
  let opener = null;
  pages.push({ panel, parts: [...document.querySelectorAll(covers)] });
  return {
    open() {
      if (panel.open) return;
      opener = document.activeElement;
      panel.show();
      cover();
    },
    close() {
      panel.close();
      cover();
      const canHaveFocus = opener?.checkVisibility({ visibilityProperty: true }) && opener !== document.body;
      (canHaveFocus ? opener : home())?.focus();
    },
  };
}

// One dialog may open before another one closes.
function cover() {
  const under = new Set(pages.filter(({ panel }) => panel.open).flatMap(({ parts }) => parts));
  for (const part of pages.flatMap(({ parts }) => parts)) part.inert = under.has(part);
}
