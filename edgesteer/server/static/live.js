// Brings the sliders' steering to the server: at once, then at most every 80 ms, the newest last.
// It acts there from the next token on, in running answers too.

import { ask } from "./api.js";
import { clear, fail } from "./notices.js";
import { acting, on, server, tell } from "./store.js";

const PAUSE = 80;
let wanted = null; // what is still to be sent
let sending = null;

on("terms", push);

/** Send what the sliders say. */
export function push() {
  wanted = { terms: acting().map((term) => ({ ...term })) };
  sending ??= run().finally(() => {
    sending = null;
  });
}

/** Resolves when the server has what the sliders say. */
export async function settled() {
  while (sending) await sending;
}

/** The terms in a steering text, as the server reads it; acts at once. Throws ApiError. */
export async function putText(text) {
  await settled();
  accept(await ask("PUT", "/api/steering", { steering: text }));
  return server.steering.terms;
}

async function run() {
  while (wanted) {
    const now = wanted;
    wanted = null;
    try {
      accept(await ask("PUT", "/api/steering", { steering: now.terms.length ? now : "" }));
      clear("steering");
    } catch (error) {
      fail(error, "steering");
    }
    if (wanted) await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function accept(answer) {
  server.steering = answer;
  tell("steering");
}
