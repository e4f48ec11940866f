/**
 * Remembers prices, so that the price service is asked as rarely as possible.
 */
export class PriceCache {
  constructor(fetchPrice, { freshFor = 60_000, maxArticles = 1000, now = Date.now } = {}) {
    this.fetchPrice = fetchPrice;
    this.freshFor = freshFor;
    this.maxArticles = maxArticles;
    this.now = now;
    this.entries = new Map(); // article -> {price, at}; what was asked for last stands last
    this.underWay = new Map(); // article -> {answer}
  }

  async get(article) {
    const known = this.entries.get(article);
    if (known) {
      this.entries.delete(article);
      this.entries.set(article, known);
      if (this.now() - known.at < this.freshFor) {
        return { price: known.price, stale: false };
      }
    }
    return (this.underWay.get(article) ?? this.#begin(article, known)).answer;
  }

  invalidate(article) {
    this.entries.delete(article);
    this.underWay.delete(article);
  }

  get size() {
    return this.entries.size;
  }

  #begin(article, known) {
    const request = {};
    this.underWay.set(article, request);
    request.answer = this.#finish(article, request, known);
    return request;
  }

  async #finish(article, request, known) {
    try {
      const price = await this.fetchPrice(article);
      if (this.underWay.get(article) === request) {
        this.#remember(article, price);
      }
      return { price, stale: false };
    } catch (error) {
      if (!known) {
        throw error;
      }
      return { price: known.price, stale: true };
    } finally {
      if (this.underWay.get(article) === request) {
        this.underWay.delete(article);
      }
    }
  }

  #remember(article, price) {
    this.entries.delete(article);
    this.entries.set(article, { price, at: this.now() });
    if (this.entries.size > this.maxArticles) {
      this.entries.delete(this.entries.keys().next().value);
    }
  }
}
