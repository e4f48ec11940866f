// The candidate's view of the session: who and what, the remaining time, and how old the last saved state is.
//
// Reads two files that the saver writes, session.json and status.json; an image without a saver has neither, and then
// nothing is shown of them. Warns when the candidate's programs use up memory, disk or processes. There are no
// credentials here and no requests.
'use strict';

const fs = require('fs/promises');
const path = require('path');
const vscode = require('vscode');
const { WARNINGS, dueWarning, remaining, saved } = require('./clock');
const overload = require('./overload');

const DIRECTORY = process.env.PREQUEL_SESSION_DIRECTORY || '/run/prequel';
const EVERY_MS = 5_000;
const STOP = 'Stop my programs';

async function read(name) {
  try {
    return JSON.parse(await fs.readFile(path.join(DIRECTORY, name), 'utf8'));
  } catch {
    return null; // not written yet, or half of a write: the next look finds it
  }
}

class Session {
  constructor(context) {
    this.memory = context.workspaceState;
    this.clock = this.item(vscode.StatusBarAlignment.Left, 1000, 'Remaining time');
    this.saving = this.item(vscode.StatusBarAlignment.Left, 999, 'Saved work');
    this.title = this.item(vscode.StatusBarAlignment.Left, 998, 'Interview');
    this.title.command = 'prequel.instructions';
    this.over = null;
  }

  item(alignment, priority, name) {
    const item = vscode.window.createStatusBarItem(name, alignment, priority);
    item.name = name;
    return item;
  }

  async look() {
    const [session, status] = await Promise.all([read('session.json'), read('status.json')]);
    const now = Date.now();
    if (session) await this.showSession(session, status, now);
    this.showSaving(status, now);
    if (status && status.restored_from) await this.once(`restored ${status.restored_from}`, () =>
      vscode.window.showInformationMessage(
        `The editor was restarted. Your work was restored as it was saved at ${time(status.restored_from)}.`
      )
    );
  }

  async showSession(session, status, now) {
    this.session = session;
    const deadline = Date.parse(session.deadline || '') || 0;
    const warning = dueWarning(deadline, now, this.memory.get(`warned ${session.deadline}`, []));
    set(this.title, [session.candidate, session.title].filter(Boolean).join(' · '), 'Open the instructions');
    set(this.clock, deadline && `$(clock) ${remaining(deadline, now)}`, deadline ? `Ends at ${time(session.deadline)}` : '');
    this.clock.backgroundColor = deadline && deadline - now <= 120_000
      ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    await this.once(`opened ${session.instructions}`, () => this.openAtFirst());
    if (warning !== null) {
      const given = this.memory.get(`warned ${session.deadline}`, []);
      await this.memory.update(`warned ${session.deadline}`, [...given, ...WARNINGS.filter((minutes) => minutes >= warning)]);
      vscode.window.showWarningMessage(`${remaining(deadline, now)}: the interview ends at ${time(session.deadline)}.`);
    }
    if (deadline && now >= deadline) this.showEnd(status);
    else if (this.over) { // extended
      this.over.dispose();
      this.over = null;
    }
  }

  showSaving(status, now) {
    const { text, detail, bad } = saved(status, now);
    set(this.saving, text && `$(${bad ? 'warning' : 'pass'}) ${text}`, detail);
    this.saving.backgroundColor = bad ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
  }

  // The editor itself opens README.md. What else is to be read first opens only while nothing else is open: it takes
  // the focus, and the candidate may be typing by now.
  async openAtFirst() {
    const { instructions } = this.session;
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    if (instructions && instructions !== 'README.md' && tabs.length <= 1) await this.openInstructions();
  }

  async openInstructions() {
    const [folder] = vscode.workspace.workspaceFolders || [];
    if (!folder || !this.session) return;
    const file = vscode.Uri.joinPath(folder.uri, this.session.instructions || 'README.md');
    try {
      await vscode.workspace.fs.stat(file);
    } catch {
      return;
    }
    const preview = file.path.toLowerCase().endsWith('.md');
    await vscode.commands.executeCommand(preview ? 'markdown.showPreview' : 'vscode.open', file);
  }

  showEnd(status) {
    if (this.over) return;
    this.over = vscode.window.createWebviewPanel('prequel.over', 'The interview is over', vscode.ViewColumn.Active, {});
    this.over.onDidDispose(() => { this.closed = true; });
    const work = status && status.saved_at ? `Your work was handed in, as saved at ${time(status.saved_at)}.` : '';
    this.over.webview.html = `<!DOCTYPE html><meta charset="utf-8"><body style="font-size:1.2em;text-align:center">
      <h1>The interview is over</h1><p>${work}</p><p>Thank you. You can close this page.</p></body>`;
  }

  async showOverload() {
    const [folder] = vscode.workspace.workspaceFolders || [];
    const now = await overload.look(folder ? folder.uri.fsPath : '/tmp');
    this.used ??= overload.first(now, this.memory.get('killed'));
    const warnings = overload.warnings(this.used, now);
    this.used = now;
    if (now.kills !== this.memory.get('killed')) await this.memory.update('killed', now.kills);
    for (const { text, stop } of warnings) {
      vscode.window.showWarningMessage(text, ...(stop ? [STOP] : []))
        .then((choice) => choice === STOP && overload.stopPrograms());
    }
  }

  async once(key, act) {
    if (this.memory.get(key)) return;
    await this.memory.update(key, true);
    await act();
  }
}

function set(item, text, tooltip) {
  item.text = text || '';
  item.tooltip = tooltip;
  if (text) item.show(); else item.hide();
}

function time(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text) : `${at.toISOString().slice(11, 16)} UTC`;
}

function activate(context) {
  const session = new Session(context);
  const look = () => Promise.all([session.look(), session.showOverload()])
    .catch((error) => console.error('session:', error));
  const timer = setInterval(look, EVERY_MS);
  context.subscriptions.push(
    session.clock, session.saving, session.title,
    { dispose: () => clearInterval(timer) },
    vscode.commands.registerCommand('prequel.instructions', () => session.openInstructions()),
    vscode.commands.registerCommand('prequel.session', look),
    vscode.commands.registerCommand('prequel.stop', overload.stopPrograms)
  );
  return look();
}

module.exports = { activate };
