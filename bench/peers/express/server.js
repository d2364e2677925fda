// The service as it is usually written: express and the npm package qrcode, all of it on the loop.
'use strict';

const { createHash } = require('crypto');
const QRCode = require('qrcode');
const { serve, refusal } = require('./app');

async function picture(text) {
    try {
        return await QRCode.toDataURL(text);
    } catch (error) {
        throw refusal(error.message);
    }
}

function hash(text, rounds) {
    let digest = text;
    for (let i = 0; i < rounds; i++) {
        digest = createHash('sha256').update(digest).digest();
    }
    return digest.toString('hex');
}

serve({ picture, hash });
