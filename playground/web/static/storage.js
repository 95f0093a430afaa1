// What the browser remembers of a visitor. In a private window, or in another site's frame, it may refuse to.

/** @returns {string | null} what was remembered under a name, if anything */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It is forgotten, then.
  }
}
