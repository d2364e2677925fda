// Node's http module and an addon in C: what is left of JavaScript is the parsing of the query and the JSON.
'use strict';

const http = require('http');
const path = require('path');
const querystring = require('querystring');
const addon = require(path.join(process.env.PEER_BUILD, 'addon.node'));

function answer(url) {
    const question = url.indexOf('?');
    const query = question < 0 ? {} : querystring.parse(url.slice(question + 1));
    return { result: 'data:image/png;base64,' + addon.png(query.text || 'QR TEST').toString('base64') };
}

http.createServer((req, res) => {
    let status = 200;
    let body;
    try {
        body = JSON.stringify(answer(req.url));
    } catch (error) {
        status = 400;
        body = JSON.stringify({ error: error.message });
    }
    res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    res.end(body);
}).listen(Number(process.env.PORT), '127.0.0.1');
