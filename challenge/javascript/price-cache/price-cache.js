/**
 * Remembers prices, so that the price service is asked as rarely as possible.
 */
export class PriceCache {
  /**
   * @param {(article: string) => Promise<number>} fetchPrice asks the price service; rejects when it fails
   * @param {object} options
   * @param {number} options.freshFor milliseconds for which an answer is used without asking again
   * @param {number} options.maxArticles articles to remember at most; beyond that, the one that has not been asked for
   *   the longest is forgotten first
   * @param {() => number} options.now the time in milliseconds; tests give their own
   */
  constructor(fetchPrice, { freshFor = 60_000, maxArticles = 1000, now = Date.now } = {}) {
    this.fetchPrice = fetchPrice;
    this.freshFor = freshFor;
    this.maxArticles = maxArticles;
    this.now = now;
    this.entries = new Map();
  }

  /**
   * The price of an article.
   *
   * - A fresh answer is used as it is.
   * - Otherwise the service is asked. Whoever asks for the same article meanwhile waits for the same answer: there is
   *   never more than one request for an article under way.
   * - When the service fails, an earlier answer is returned however old it is, with `stale: true`. Without one, the
   *   service's own error is thrown. A failure is never remembered: the next caller asks the service again.
   *
   * @param {string} article
   * @returns {Promise<{price: number, stale: boolean}>}
   */
  async get(article) {
    const known = this.entries.get(article);
    if (known && this.now() - known.at < this.freshFor) {
      return { price: await known.price, stale: false };
    }
    const price = this.fetchPrice(article);
    const answer = await price.catch((error) => error);
    this.entries.set(article, { price, at: this.now() });
    if (answer instanceof Error) {
      throw answer;
    }
    return { price: answer, stale: false };
  }

  /**
   * Forgets an article, because its price was changed: the next `get` asks the service. An answer to a request from
   * before may still reach those who wait for it, but it is not remembered.
   *
   * @param {string} article
   */
  invalidate(article) {
    this.entries.delete(article);
  }

  /** How many articles are remembered. */
  get size() {
    return this.entries.size;
  }
}
