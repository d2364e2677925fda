// The service as it is usually written: one route, express and the npm package qrcode.
'use strict';

const express = require('express');
const QRCode = require('qrcode');

const app = express();

app.get('/', async (req, res) => {
    res.json({ result: await QRCode.toDataURL(req.query.text || 'QR TEST') });
});

app.listen(Number(process.env.PORT), '127.0.0.1');
