/** Rejects where the clipboard is unavailable (not a secure context), or if the user forbids it. */
export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
