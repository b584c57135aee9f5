// Server-sent events of a response's body, one by one: for await (const {name, data} of events(response)).
// Does not know what they say; data is JSON, but for the closing [DONE], which is left out.

export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const found = read(block);
        if (found) yield found;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // a stream that was stopped has nothing to cancel
  }
}

function read(block) {
  let name = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  const text = data.join("\n");
  if (!text || text === "[DONE]") return null;
  return { name, data: JSON.parse(text) };
}
