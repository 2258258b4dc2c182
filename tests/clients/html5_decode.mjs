// Decode pictures with the decoders of spice-html5: node html5_decode.mjs FOLDER CODEC FILE...
// FOLDER holds its modules. Beside each FILE, which is an encoding, FILE.rgba gets what the browser would show.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, codec, ...files] = process.argv.slice(2);
const context = {
  createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
};

const decoders = {
  async quic() {
    const { SpiceQuic, convert_spice_quic_to_web } = await load("quic.js");
    return (data) => {
      const image = new SpiceQuic();
      const sized = new Uint8Array(4 + data.length);
      sized.set(data, 4);
      new DataView(sized.buffer).setUint32(0, data.length, true);
      image.from_dv(new DataView(sized.buffer), 0, sized.buffer);
      return convert_spice_quic_to_web(context, image);
    };
  },
  async lz() {
    const { convert_spice_lz_to_web } = await load("lz.js");
    return (data) => {
      const [, , type, width, height, , top_down] = Array.from({ length: 7 }, (_, k) => data.readUInt32BE(4 * k));
      const pixels = data.buffer.slice(data.byteOffset + 28, data.byteOffset + data.length);
      return convert_spice_lz_to_web(context, { type, width, height, top_down, data: pixels });
    };
  },
};

function load(name) {
  return import(pathToFileURL(`${folder}/${name}`));
}

const decode = await decoders[codec]();
for (const file of files) {
  writeFileSync(`${file}.rgba`, decode(readFileSync(file)).data);
}
