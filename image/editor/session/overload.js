// What the candidate's programs have used up, and what is said about it. Nothing here touches the editor, so that it
// runs in a test.
'use strict';

const fs = require('fs');
const { setTimeout: pause } = require('timers/promises');

const MEGABYTE = 1e6;

/** Bytes below which the disk counts as full: the saver needs about as much for a state. */
const LITTLE = 200 * MEGABYTE;

/** Processes at which a warning comes; a terminal's limit is 1024 with threads (image/editor/bash). */
const MANY = 800;

/** The oom_score_adj of what runs in terminals (image/editor/bash). */
const TERMINALS = 800;

/** Where the kernel counts the processes that it killed for their memory: cgroups v2, v1, and the whole machine. */
const KILLS = ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control', '/proc/vmstat'];

/** The processes killed for their memory so far, the free bytes of the disk with `folder`, the processes there are. */
async function look(folder) {
  const { bavail, bsize } = await fs.promises.statfs(folder);
  return { kills: kills(), free: bavail * bsize, processes: processes().length };
}

function kills() {
  for (const file of KILLS) {
    const found = /^oom_kill (\d+)$/m.exec(read(file));
    if (found) return Number(found[1]);
  }
  return 0;
}

function processes() {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return ''; // no such kernel, or a process that has ended
  }
}

/** What to warn of when one look follows another: texts, and whether stopping the programs would help. */
function warnings(before, now) {
  const due = [];
  if (now.kills > before.kills) {
    due.push({ text: 'The memory was used up, and a program was stopped. The editor and your files are not affected.' });
  }
  if (now.free < LITTLE && before.free >= LITTLE) {
    const left = Math.floor(now.free / MEGABYTE);
    due.push({ text: `The disk is full (${left} MB left): saving may fail until you delete files that you do not need.` });
  }
  if (now.processes >= MANY && before.processes < MANY) {
    due.push({ text: `${now.processes} programs are running, and soon no more can be started.`, stop: true });
  }
  return due;
}

/** What there is to compare the first look with; `killed` is the count of the last one in an earlier extension host. */
function first(now, killed) {
  return { kills: Math.min(killed ?? now.kills, now.kills), free: Infinity, processes: 0 };
}

/** Kills everything that runs in terminals, until nothing is left that could start more. */
async function stopPrograms() {
  for (let left = 200; left > 0; left -= 1) {
    const running = processes().filter((pid) => Number(read(`/proc/${pid}/oom_score_adj`)) >= TERMINALS);
    if (!running.length) return;
    running.forEach(kill);
    await pause(50);
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

module.exports = { first, look, stopPrograms, warnings };
