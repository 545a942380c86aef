// In Chinese headings and tables a line ends between two words, where the browser knows words, and
// "non-local" stays whole. The style (word-break: keep-all) leaves the line's end to these places.
(() => {
  if (!window.Intl?.Segmenter) return;
  const words = new Intl.Segmenter("zh", { granularity: "word" });
  const HYPHENED = /([A-Za-z]+-[A-Za-z]+)/;
  const OURS = /卷积|池化|张量|模块|标记|自注意力|感受野|特征图|显存|单元格|解耦|改动|跑过/g; // words that no dictionary has
  const BEHIND = /^[的了吗呢里上下个数词]$/; // what leans on the word before it

  function segmented(text) {
    const inside = new Set();
    for (const { 0: word, index } of text.matchAll(OURS))
      for (let at = index + 1; at < index + word.length; at++) inside.add(at);
    const parts = [];
    let before = false;
    for (const { segment, index, isWordLike } of words.segment(text)) {
      if (before && isWordLike && !inside.has(index) && !BEHIND.test(segment))
        parts.push(document.createElement("wbr"));
      parts.push(segment);
      before = isWordLike;
    }
    return parts;
  }
  function whole(text) {
    const span = document.createElement("span");
    span.style.whiteSpace = "nowrap";
    span.textContent = text;
    return [span];
  }
  addEventListener("DOMContentLoaded", () => {
    const found = document.querySelectorAll("article :is(h1, h2, h3, th, td), .prev-next-title");
    const texts = [];
    for (const heading of found) {
      const walk = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
      while (walk.nextNode())
        if (/[\u4e00-\u9fff]/.test(walk.currentNode.data)
            && !walk.currentNode.parentElement.closest("code, .math, .bytes-calculator"))
          texts.push(walk.currentNode);
    }
    for (const text of texts)
      text.replaceWith(...text.data.split(HYPHENED).flatMap((p, n) => (n % 2 ? whole : segmented)(p)));
    document.documentElement.classList.add("segmented");
  });
})();
