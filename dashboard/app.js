// @ts-check
import { loadConfig } from "./config.js";
import { showHalt } from "./connection.js";
import { openLocally } from "./local-page.js";
import { openSite } from "./site-page.js";

try {
  const config = await loadConfig();
  if ("issuer" in config) await openSite(config);
  else openLocally(config);
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  showHalt("stopped", "Not connected", text, { label: "Try again", onChoose: () => location.reload() });
}
