// The same service with the article's cure: the loop takes requests and answers them, and an addon in C makes pictures
// and hashes on libuv's threads.
'use strict';

const { serve, refusal } = require('./app');
const addon = require('./addon.node');

async function picture(text) {
    try {
        return 'data:image/png;base64,' + (await addon.picture(text)).toString('base64');
    } catch (error) {
        throw error.code === 'TEXT' ? refusal(error.message) : error;
    }
}

serve({ picture, hash: addon.hash });
