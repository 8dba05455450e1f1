// URL: addresses of the server. Pure.

/**
 * Returns the URL of a server path such as "api/config", without the user and password of the page's own URL. If the page
 * was opened as http://user:password@host/, the base contains them, and fetch() rejects such a URL with a TypeError. The
 * browser sends the credentials anyway.
 * @param {string} path
 */
export const serverUrl = (path, base = document.baseURI) => {
  const url = new URL(path, base);
  url.username = "";
  url.password = "";
  return url;
};
