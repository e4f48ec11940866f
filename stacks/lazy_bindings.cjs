// Makes the root of the AWS bindings load its 2,200 submodules when they are first used, not all at once: node spends
// two thirds of a synthesis on compiling modules of which we use a few dozen. docs/decisions/0002 describes the Python half.
"use strict";

const { Module } = require("node:module");

const ROOT = /[\\/]@cdktf[\\/]provider-aws[\\/]lib[\\/]index\.js$/;
const EAGER = /^exports\.(\w+) = require\("(\.\/[\w.-]+)"\);$/gm;
const LAZY = 'Object.defineProperty(exports, "$1", { enumerable: true, configurable: true, get: () => require("$2") });';

const compile = Module.prototype._compile;

Module.prototype._compile = function (code, filename, ...rest) {
  return compile.call(this, ROOT.test(filename) ? code.replace(EAGER, LAZY) : code, filename, ...rest);
};
