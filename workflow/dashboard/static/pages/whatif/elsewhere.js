// The same question from elsewhere: a link, a command, a few lines of Python.
import { html } from "../../lib/preact.js";
import { quoted } from "../../links.js";
import { Command, Disclosure } from "../../ui.js";

/** @param {{about: object, state: object, inputs: object, address: string}} properties */
export function Elsewhere({ about, state, inputs, address }) {
  return html`<${Disclosure} label="Copy this point: link, command, Python">
    <div class="whatif-elsewhere">
      <${Command} label="Link to this page" text=${new URL(address, document.baseURI).href} />
      <${Command} label="Command" text=${command(about.folder, state, inputs)} />
      <${Command} label="Python" text=${python(about.folder, state, inputs)} />
    </div></${Disclosure}>`;
}

function command(folder, { version }, inputs) {
  const place = version ? `${folder}/models/${version}` : folder;
  const pairs = Object.entries(inputs).map(([name, value]) => quoted(`${name}=${value}`));
  return `mlaround predict ${quoted(place)} -p ${pairs.join(" ")}`;
}

function python(folder, { version, uncertain, spread, shape }, inputs) {
  const dictionary = (pairs) => `{${pairs.map(([name, value]) => `${JSON.stringify(name)}: ${
    JSON.stringify(value)}`).join(", ")}}`;
  const spreads = uncertain ? Object.entries(spread).filter(([, width]) => width !== 0) : [];
  return [
    ...(spreads.length ? ["from surrogates import propagate"] : []),
    "from workflow import open_run",
    "",
    `model = open_run(${JSON.stringify(folder)}).surrogate(${version ? JSON.stringify(version) : ""})`,
    `point = ${dictionary(Object.entries(inputs))}`,
    "answer = model.evaluate(**point)",
    "print(answer.in_domain, answer.reason)",
    "for name, output in answer.outputs.items():",
    "    print(name, output.mean, output.std, output.unit)",
    ...(spreads.length
      ? [`print(propagate(model, point, ${dictionary(spreads)}, ${JSON.stringify(shape)}).std)`] : []),
  ].join("\n");
}
