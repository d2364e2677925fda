// The service's routes, for any way of making a picture and of hashing: what differs between express and the addon that
// works on threads is handed in, and is all that differs.
'use strict';

const express = require('express');
const { monitorEventLoopDelay } = require('perf_hooks');

// Node's own default. A finer one would wake the loop more often than the requests do, and is no more exact: libuv's
// timers have the grain of a millisecond.
const RESOLUTION_MS = 10;
// As /lab/hash of quernd.
const ROUNDS = '500000';
const MOST_ROUNDS = 10000000;

// An error that the client is to blame for.
function refusal(message) {
    return Object.assign(new Error(message), { status: 400 });
}

function textOf(query) {
    if (Array.isArray(query.text)) {
        throw refusal('text is given twice');
    }
    return query.text || 'QR TEST';
}

function roundsOf(query) {
    const said = query.rounds === undefined ? ROUNDS : query.rounds;
    const rounds = /^[0-9]{1,8}$/.test(said) ? Number(said) : 0;
    if (rounds < 1 || rounds > MOST_ROUNDS) {
        throw refusal(`rounds must be a whole number from 1 to ${MOST_ROUNDS}`);
    }
    return rounds;
}

// What the probe records is the time from one firing of its timer to the next, so a loop with nothing to do shows the
// resolution. The delay is the excess over it. What is left in an idle loop, by that grain, is not subtracted. A stall
// counts once, however long, and the time before the first firing after a reset not at all.
function excessMs(recordedNs) {
    return Math.max(0, recordedNs / 1e6 - RESOLUTION_MS);
}

function summary(probe) {
    const of = (recordedNs) => (probe.count > 0 ? excessMs(recordedNs) : null);
    return {
        p50_ms: of(probe.percentile(50)),
        p95_ms: of(probe.percentile(95)),
        p99_ms: of(probe.percentile(99)),
        max_ms: of(probe.max),
        mean_ms: of(probe.mean),
        samples: probe.count,
        resolution_ms: RESOLUTION_MS,
    };
}

// picture(text): a promise of the data URL. hash(text, rounds): SHA-256 of the text, and of each digest the next, in
// hexadecimal digits, or a promise of it. Errors with a `status` are told to the client with it.
function serve({ picture, hash }) {
    const app = express();
    const probe = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    probe.enable();

    app.get('/', async (req, res) => {
        res.json({ result: await picture(textOf(req.query)) });
    });
    app.get('/hash', async (req, res) => {
        const rounds = roundsOf(req.query);
        res.json({ rounds, sha256: await hash(textOf(req.query), rounds) });
    });
    // ?reset=1: what was seen until now, and begins anew.
    app.get('/loop', (req, res) => {
        const seen = summary(probe);
        if (req.query.reset === '1') {
            probe.reset();
        }
        res.json(seen);
    });
    app.use((error, req, res, next) => {
        if (res.headersSent) {
            next(error);
            return;
        }
        res.status(error.status || 500).json({ error: error.message });
    });
    app.listen(Number(process.env.PORT), '127.0.0.1');
}

module.exports = { serve, refusal };
