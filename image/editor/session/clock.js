// What the session's files mean for the candidate. Nothing here touches the editor, so that it runs in a test.
'use strict';

const MINUTE = 60_000;

/** Minutes before the deadline at which the candidate is warned. */
const WARNINGS = [10, 2];

/** A duration in milliseconds as people say it: "1 h 5 min", "42 min", "50 s". */
function spoken(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** The remaining time for the status bar, by the deadline in milliseconds since 1970; empty without one. */
function remaining(deadline, now) {
  if (!deadline) return '';
  return now >= deadline ? 'the interview is over' : `${spoken(deadline - now)} left`;
}

/** The warning that is due: the smallest of WARNINGS that the remaining time has come down to, or null. */
function dueWarning(deadline, now, given) {
  if (!deadline || now >= deadline) return null;
  const due = WARNINGS.filter((minutes) => deadline - now <= minutes * MINUTE);
  const warning = due.length ? Math.min(...due) : null;
  return warning !== null && !given.includes(warning) ? warning : null;
}

/** The line about saving, from status.json: text for the status bar, detail for its tooltip, and whether it is bad. */
function saved(status, now) {
  if (!status) return { text: '', detail: '', bad: false };
  const at = Date.parse(status.saved_at || '');
  const age = Number.isNaN(at) ? '' : spoken(now - at);
  const left = (status.left_out || []).map((line) => `\n- ${line}`).join('');
  const detail = left ? `Not saved:${left}` : 'Everything in this folder is saved.';
  if (status.error) {
    return {
      text: age ? `last saved ${age} ago` : 'not saved yet',
      detail: `Saving fails and is tried again: ${status.error}\n\n${detail}`,
      bad: true,
    };
  }
  return { text: age ? `saved ${age} ago` : '', detail, bad: false };
}

module.exports = { WARNINGS, dueWarning, remaining, saved, spoken };
