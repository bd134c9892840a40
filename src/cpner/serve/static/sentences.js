// Text into sentences: lines first, then what Intl.Segmenter finds, but not after initials and common abbreviations.

const OPEN = /(?:^|[\s(“"])(?:\p{Lu}|Dr|Mr|Mrs|Ms|Prof|St|Sen|Gov|Gen|Rep|Lt|Col|No|vs|Jr|Sr|Inc|Ltd|Co|ca|cf|e\.g|i\.e|z\.B|bzw|Nr)\.\s*$/u;

export function splitSentences(text) {
  const found = [];
  for (const line of text.split(/\r\n|[\n\r\u2028\u2029]/)) {
    let open = "";
    for (const part of segments(line)) {
      open += part;
      if (OPEN.test(open)) continue;
      found.push(open.trim());
      open = "";
    }
    found.push(open.trim());
  }
  return found.filter(Boolean);
}

function segments(line) {
  if (!globalThis.Intl?.Segmenter) return [line];
  return [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(line)].map((one) => one.segment);
}

// The parts of a sentence that the keyboard walks over: words and signs, without white space.
export function splitWords(text) {
  const parts = globalThis.Intl?.Segmenter
    ? [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)]
    : [...text.matchAll(/\S+/g)].map((match) => ({ segment: match[0], index: match.index }));
  return parts
    .filter((part) => part.segment.trim())
    .map((part) => ({ start: part.index, end: part.index + part.segment.length }));
}

export const SAMPLES = {
  music: {
    types: ["person", "band", "venue", "instrument"],
    text: `Marta Lindqvist learned the cello from her aunt in Uppsala.
The Paper Lanterns opened the season at Kestrel Hall with two new songs.
On Friday Idris Okafor joins the Paper Lanterns on trumpet.
Nobody expected rain, and nobody brought an umbrella.
Critics compared Lindqvist's solo to a conversation between old friends.
The Harbour Room, once a fish market, now books bands such as Slow Meridian.
Slow Meridian lost their accordion on the night train from Turin.
Yuki Tanabe lent them hers and stayed for the encore.
At Kestrel Hall the doors close when the lights go down.
Okafor wrote the second verse on a napkin in the Blue Heron Club.
Her brother Jonas Lindqvist still repairs every violin himself.
After the tour Tanabe sold her piano and bought a boat.`,
  },
  politics: {
    types: ["politician", "political party", "city", "election"],
    text: `Elena Marchetti left the Civic Alliance two weeks before the vote.
In Porto Verde her old colleagues handed out leaflets in the rain.
The Green Ballot won nine seats, more than in the council election of 2019.
"We were late, but we were many," said Tomas Brandt of the Labour Front.
Turnout in Halden fell below half for the first time.
Brandt and Marchetti met twice and agreed on nothing.
The Civic Alliance blames the weather; the Green Ballot thanks it.
A recount in Halden begins on Monday.
Mayor Ruth Adeyemi would rather talk about buses.
If the Labour Front stays out, Adeyemi needs every vote she can find.
The spring referendum passed by four hundred votes.
Nobody in Porto Verde remembers who counted them.`,
  },
};
