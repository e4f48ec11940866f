// Loaded into each of the editor's own Node.js processes, before anything else: what runs for the candidate in an
// extension host, such as language servers and debuggers, is killed before it, and it before the editor's server.
'use strict';

const { ChildProcess } = require('child_process');
const { writeFileSync } = require('fs');
const { setPriority } = require('os');
const { isMainThread } = require('worker_threads');

const EXTENSION_HOST = 300;
const ITS_PROGRAMS = 700; // below what terminals start (see bash), which is killed first
const LOWEST = 19; // setpriority(2)

if (isMainThread && process.argv.includes('--type=extensionHost')) {
  process.execArgv = []; // programs that it forks would inherit them
  ignoringErrors(() => setScore('self', EXTENSION_HOST));
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (...given) {
    const result = spawn.apply(this, given);
    const { pid } = this;
    if (pid) {
      ignoringErrors(() => setScore(pid, ITS_PROGRAMS));
      ignoringErrors(() => setPriority(pid, LOWEST));
    }
    return result;
  };
}

function setScore(pid, score) {
  writeFileSync(`/proc/${pid}/oom_score_adj`, String(score));
}

/** A program may have ended by now, and a kernel that refuses is no reason to have no editor. */
function ignoringErrors(act) {
  try {
    act();
  } catch {
    // see above
  }
}
