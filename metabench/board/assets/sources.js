// Where a learner comes from, by its own metadata: papers, their BibTeX, and code.

const sourceFor = (learner) => Object.hasOwn(sources, learner) ? sources[learner] : null;

// The paper that it follows first, as a link beside its name.
function paperOf(row) {
  const paper = sourceFor(row.learner)?.papers[0];
  return paper ? link(paper.url, paper.short) : null;
}

function sourceBlock(learner) {
  const source = sourceFor(learner);
  if (!source) return null;
  const papers = source.papers.map(({citation, url}) => {
    const text = citation.endsWith(url) ? citation.slice(0, -url.length) : citation;
    return element("li", {}, text, url ? link(url, url) : null);
  });
  const code = element("li", {}, "Code: ", link(source.codeUrl, source.code), source.wraps ? `, by way of ${source.wraps}` : null);
  const bibtex = element("details", {}, element("summary", {}, "BibTeX"),
    element("div", {class: "bibtex"}, copyButton(source.bibtex), element("pre", {}, element("code", {}, source.bibtex))));
  return block("Source", note(`Family: ${source.family}`), element("ul", {class: "papers"}, ...papers, code),
    ...(source.bibtex ? [bibtex] : []));
}
