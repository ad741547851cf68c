/** HTTP dates, RFC 9110 §5.6.7. Pure. */

let lastSeconds = Number.NaN;
let lastDate = '';

/** IMF-fixdate. Sites are deployed at once: one remembered date saves most of the work. */
export function httpDate(seconds: number): string {
  if (seconds !== lastSeconds) {
    lastSeconds = seconds;
    lastDate = new Date(seconds * 1000).toUTCString();
  }
  return lastDate;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = MONTHS.join('|');
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';
const SHORT_DAY = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun';
const LONG_DAY = 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday';

const IMF_FIXDATE = new RegExp(`^(?:${SHORT_DAY}), (\\d{2}) (${MONTH}) (\\d{4}) ${TIME} GMT$`);
const RFC850 = new RegExp(`^(?:${LONG_DAY}), (\\d{2})-(${MONTH})-(\\d{2}) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^(?:${SHORT_DAY}) (${MONTH}) ([ \\d]\\d) ${TIME} (\\d{4})$`);

/**
 * Seconds since 1970 of a date in any of the three formats; null for everything else. `nowMs` settles the century of a
 * two-digit year: one that seems more than 50 years ahead is the past's. The day's name is not compared with the date.
 */
export function parseHttpDate(text: string, nowMs: number): number | null {
  let match = IMF_FIXDATE.exec(text);
  if (match) {
    const [, day, month, year, ...time] = match;
    return toSeconds(Number(year), month, day, time);
  }
  match = RFC850.exec(text);
  if (match) {
    const [, day, month, twoDigits, ...time] = match;
    const thisYear = new Date(nowMs).getUTCFullYear();
    let year = thisYear - (thisYear % 100) + Number(twoDigits);
    if (year > thisYear + 50) year -= 100;
    return toSeconds(year, month, day, time);
  }
  match = ASCTIME.exec(text);
  if (match) {
    const [, month, day, hours, minutes, seconds, year] = match;
    return toSeconds(Number(year), month, day, [hours, minutes, seconds]);
  }
  return null;
}

/** null where there is no such day or time. A leap second is taken as the next minute's first. */
function toSeconds(
  year: number,
  monthName: string | undefined,
  dayText: string | undefined,
  time: readonly (string | undefined)[],
): number | null {
  const month = MONTHS.indexOf(monthName ?? '');
  const day = Number(dayText);
  const [hours = Number.NaN, minutes = Number.NaN, seconds = Number.NaN] = time.map(Number);
  if (hours > 23 || minutes > 59 || seconds > 60) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return null;
  date.setUTCHours(hours, minutes, seconds);
  return date.getTime() / 1000;
}
