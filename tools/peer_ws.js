// The server that the benchmark runs in Node, with the package `ws` as it comes (no compression).
// Each message goes to everybody. It prints the port that it has.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 1024 });
server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data) => {
        const text = JSON.stringify(JSON.parse(data));
        for (const client of server.clients) client.send(text);
    });
});
server.on("listening", () => console.log(server.address().port));
