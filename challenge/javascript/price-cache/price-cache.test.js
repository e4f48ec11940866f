import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { PriceCache } from "./price-cache.js";

/** A price service that answers when the test says so. */
class Service {
  constructor() {
    this.requests = [];
    this.fetchPrice = (article) =>
      new Promise((resolve, reject) => this.requests.push({ article, resolve, reject }));
  }

  get last() {
    return this.requests.at(-1);
  }
}

let clock;
let service;
let cache;

/** Asks for an article and has the service answer with a price at once. */
async function ask(article, price) {
  const answer = cache.get(article);
  service.last.resolve(price);
  return answer;
}

beforeEach(() => {
  clock = 0;
  service = new Service();
  cache = new PriceCache(service.fetchPrice, { freshFor: 1000, maxArticles: 3, now: () => clock });
});

describe("a price", () => {
  it("is asked for once while it is fresh", async () => {
    assert.deepEqual(await ask("tea", 5), { price: 5, stale: false });
    clock = 999;
    assert.deepEqual(await cache.get("tea"), { price: 5, stale: false });
    assert.equal(service.requests.length, 1);
  });

  it("is asked for again when it is no longer fresh", async () => {
    await ask("tea", 5);
    clock = 1000;
    assert.deepEqual(await ask("tea", 6), { price: 6, stale: false });
  });

  it("of zero is a price like any other", async () => {
    await ask("sample", 0);
    assert.deepEqual(await cache.get("sample"), { price: 0, stale: false });
    assert.equal(service.requests.length, 1);
  });
});

describe("a stampede", () => {
  it("becomes one request", async () => {
    const answers = Array.from({ length: 100 }, () => cache.get("tea"));
    assert.equal(service.requests.length, 1);
    service.last.resolve(5);
    assert.deepEqual(new Set((await Promise.all(answers)).map((answer) => answer.price)), new Set([5]));
  });

  it("for different articles becomes one request each", () => {
    cache.get("tea");
    cache.get("coffee");
    cache.get("tea");
    assert.deepEqual(service.requests.map((request) => request.article), ["tea", "coffee"]);
  });

  it("that ends in a failure fails for all, with one request", async () => {
    const answers = Promise.allSettled([cache.get("tea"), cache.get("tea")]);
    service.requests.forEach((request) => request.reject(new Error("service is away")));
    assert.deepEqual((await answers).map((answer) => answer.reason?.message), ["service is away", "service is away"]);
    assert.equal(service.requests.length, 1);
  });
});

describe("a failure", () => {
  it("without an earlier answer is thrown", async () => {
    const answer = cache.get("tea");
    service.last.reject(new Error("service is away"));
    await assert.rejects(answer, { message: "service is away" });
  });

  it("is not remembered", async () => {
    const answer = cache.get("tea");
    service.last.reject(new Error("service is away"));
    await assert.rejects(answer);
    const next = cache.get("tea");
    assert.equal(service.requests.length, 2);
    service.last.resolve(5);
    assert.deepEqual(await next, { price: 5, stale: false });
  });

  it("is bridged by the earlier answer, which is marked as old", async () => {
    await ask("tea", 5);
    clock = 50_000;
    const answer = cache.get("tea");
    service.last.reject(new Error("service is away"));
    assert.deepEqual(await answer, { price: 5, stale: true });
  });

  it("that was bridged does not make the old answer fresh", async () => {
    await ask("tea", 5);
    clock = 50_000;
    const answer = cache.get("tea");
    service.last.reject(new Error("service is away"));
    await answer;
    assert.deepEqual(await ask("tea", 6), { price: 6, stale: false });
  });
});

describe("the memory", () => {
  it("holds no more articles than it may", async () => {
    for (const article of ["tea", "coffee", "milk", "sugar", "salt"]) {
      await ask(article, 1);
    }
    assert.equal(cache.size, 3);
  });

  it("forgets first what nobody has asked for the longest", async () => {
    await ask("tea", 1);
    await ask("coffee", 2);
    await ask("milk", 3);
    await cache.get("tea");
    await ask("sugar", 4);
    const before = service.requests.length;
    assert.equal((await cache.get("tea")).price, 1);
    assert.equal(service.requests.length, before);
    cache.get("coffee");
    assert.equal(service.requests.length, before + 1);
  });
});

describe("an invalidated article", () => {
  it("is asked for again", async () => {
    await ask("tea", 5);
    cache.invalidate("tea");
    assert.deepEqual(await ask("tea", 6), { price: 6, stale: false });
  });

  it("does not come back with an answer that was already under way", async () => {
    const early = cache.get("tea");
    const [request] = service.requests;
    cache.invalidate("tea");
    request.resolve(5);
    assert.equal((await early).price, 5);
    assert.deepEqual(await ask("tea", 6), { price: 6, stale: false });
    assert.equal((await cache.get("tea")).price, 6);
  });
});
