// Estimates how long a password would withstand someone who stole its hash. Everything happens on this device.
// Loaded only when somebody begins to type a new password, because the word lists are large.

import { ZxcvbnFactory, adjacencyGraphs, dictionary as common } from "../vendor/zxcvbn/zxcvbn.js";
import { dictionary as english } from "../vendor/zxcvbn/en.js";
import { isRefused, loadLists } from "./guess.js";

const LISTS = { es: () => import("../vendor/zxcvbn/es.js") };
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;
const SPANS = [MINUTE, HOUR, DAY, MONTH, YEAR, 100 * YEAR]; // at once, minutes, hours, days, months, years, centuries
const LEVELS = [1, 1, 1, 2, 2, 3, 4];
const DAYS = 3;

// Loads the lists of the page's language and resolves to `strength(password, known)`; rejects where they do not come.
export async function prepare() {
  const language = document.documentElement.lang.split("-")[0];
  const [lists, own] = await Promise.all([loadLists(), LISTS[language]?.()]);
  const estimator = new ZxcvbnFactory({
    dictionary: { ...common, ...english, ...own?.dictionary },
    graphs: adjacencyGraphs,
    maxLength: 40, // a longer one is not weaker than its beginning, and phones are slow
  });

  // `known` are texts that a guesser would try first: the person's address and name, the organisation's name. What the
  // server would refuse is never said to last longer than days.
  return (password, known) => {
    const { seconds } = estimator.check(password, known).crackTimes.offlineSlowHashingXPerSecond;
    const span = SPANS.findIndex((end) => seconds < end);
    const estimated = span === -1 ? SPANS.length : span;
    const refused = isRefused(password, known, lists);
    const words = refused ? Math.min(estimated, DAYS) : estimated;
    return { refused, words, level: LEVELS[words] };
  };
}
