// The word lists beside the scripts, in static/words/, which the server reads too.

const FOLDER = new URL("../words/", import.meta.url);

// Resolves to the lines of a list, without comments; rejects where it does not come.
export async function lines(name) {
  const response = await fetch(new URL(name, FOLDER));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return (await response.text()).split("\n").filter((line) => line && !line.startsWith("# "));
}

// Resolves to the numbers that passwords are judged by; rejects where they do not come.
export async function rules() {
  const response = await fetch(new URL("rules.json", FOLDER));
  if (!response.ok) throw new Error(`rules.json: ${response.status}`);
  return response.json();
}
