// Keeps a page alive: says whether it is live, asks again when the stream is gone, counts ages on, folds what was open.
"use strict";
(function () {
  const ASK_WITHOUT_STREAM_MS = 5000;
  const ASK_WITH_STREAM_MS = 30000; // what leaves no event (a hold that ended, a silent engine) is seen at the latest then
  const NOT_LIVE_AFTER_MS = 4000; // a stream that comes back at once is no news
  const live = document.getElementById("live");
  const sign = document.getElementById("live-sign");
  let streaming = false;
  let opened = false;
  let ended = false;
  let lostAt = Date.now();
  let askedAt = Date.now();
  let answeredAt = Date.now();
  let unanswered = false;

  function clock(ms) {
    return new Date(ms).toISOString().slice(11, 19) + " UTC";
  }

  function say(state, text) {
    if (sign && sign.textContent !== text) {
      sign.textContent = text;
      sign.dataset.state = state;
    }
  }

  function tell() {
    if (!live) return;
    if (unanswered) say("lost", "No answer from Slipway: this page is as of " + clock(answeredAt));
    else if (ended) say("ended", "Ended");
    else if (streaming || Date.now() - lostAt < NOT_LIVE_AFTER_MS) say("live", "Live");
    else say("asking", "Not live: asks every 5 s");
  }

  function words(seconds) {
    if (seconds < 60) return seconds + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min" + (seconds % 60 ? " " + (seconds % 60) + " s" : "");
    const minutes = Math.floor((seconds % 3600) / 60);
    if (seconds < 86400) return Math.floor(seconds / 3600) + " h" + (minutes ? " " + minutes + " min" : "");
    const hours = Math.floor((seconds % 86400) / 3600);
    return Math.floor(seconds / 86400) + " d" + (hours ? " " + hours + " h" : "");
  }

  // The server's clock counts; how far this machine's is off is known from when the page was made.
  const made = Number(document.body.dataset.now || 0);
  const offset = made ? made - Date.now() / 1000 : 0;

  function age() {
    const now = Math.floor(Date.now() / 1000 + offset);
    for (const element of document.querySelectorAll("[data-since]")) {
      element.textContent = words(Math.max(0, now - Number(element.dataset.since)));
    }
  }

  function ask() {
    if (!live || ended || document.hidden) return;
    if (Date.now() - askedAt < (streaming ? ASK_WITH_STREAM_MS : ASK_WITHOUT_STREAM_MS)) return;
    askedAt = Date.now();
    live.dispatchEvent(new CustomEvent("slipway:ask"));
  }

  if (live) {
    document.body.addEventListener("htmx:sseOpen", function () {
      streaming = true;
      if (opened) askedAt = 0; // back after a gap: ask at once for what was missed
      opened = true;
      tell();
    });
    document.body.addEventListener("htmx:sseError", function () {
      if (streaming) lostAt = Date.now();
      streaming = false;
    });
    document.body.addEventListener("htmx:sseClose", function (event) {
      streaming = false;
      if (event.detail.type === "message") ended = true;
      tell();
    });
    document.body.addEventListener("htmx:beforeRequest", function () { askedAt = Date.now(); });
    document.body.addEventListener("htmx:afterRequest", function (event) {
      unanswered = !event.detail.successful;
      if (!unanswered) answeredAt = Date.now();
      tell();
    });
    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) { askedAt = 0; ask(); }
    });
  }

  // What a reader has unfolded or folded stays so when the live part is replaced.
  const folded = new Map();
  document.addEventListener("toggle", function (event) {
    if (event.target.id && event.target.tagName === "DETAILS") folded.set(event.target.id, event.target.open);
  }, true);
  document.body.addEventListener("htmx:afterSwap", function () {
    for (const [id, open] of folded) {
      const element = document.getElementById(id);
      if (element && element.tagName === "DETAILS" && element.open !== open) element.open = open;
    }
    age();
  });

  // A question of the Stop place goes away with Escape or with a press elsewhere.
  function closeQuestions(except) {
    for (const question of document.querySelectorAll("details.ask[open]")) {
      if (question !== except) question.open = false;
    }
  }
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.ask[open]");
    closeQuestions(null);
    if (open) open.querySelector("summary").focus();
  });
  document.addEventListener("click", function (event) {
    closeQuestions(event.target.closest("details.ask"));
  });

  // On a phone the row of pages scrolls: begin where the reader is.
  const here = document.querySelector(".rooms [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 2;

  window.setInterval(function () { age(); ask(); tell(); }, 1000);
  age();
  tell();
})();
